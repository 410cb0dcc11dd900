"""Evaluation of inversion methods: sets, measures, reports."""
