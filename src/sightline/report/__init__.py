"""Reports: figures, the HTML page, and tables on the terminal."""
