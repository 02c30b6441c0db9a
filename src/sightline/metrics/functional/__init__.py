"""Functions that several metrics share: matching, confusion matrices, rankings, weighted means."""
