"""Tests of the incident world."""
