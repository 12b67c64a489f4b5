"""What a person reads of a run: the final table in the terminal and the page `report.html`."""
