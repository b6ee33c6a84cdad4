"""Jobs on the dashboard: uploads, requests, results."""
