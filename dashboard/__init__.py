"""The dashboard shows cameras and jobs to people; it knows no model and decodes no picture."""
