"""Results drawn: figures, the HTML report, and tables on the terminal."""
