"""Decisions and the values they are made on: no server, network, clock, environment or file is touched here."""
