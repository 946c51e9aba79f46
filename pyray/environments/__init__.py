"""Environments of workers: entered, installed, kept."""
