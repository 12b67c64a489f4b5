"""Run reports: the final table in the terminal and `report.html`."""
