"""Money in and out: who keeps the coins, and the task that moves what is due between that and the exchange."""
