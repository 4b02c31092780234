"""Diagnosis of problems on the network or on this host, with their causes and remedies."""
