"""Where index prices come from. A feed turns time into observations; it submits nothing and decides nothing."""
