"""The shell: API, sequencer, journal, database, price feeds, jobs, command line."""
