"""What a video's faces showed over time: the table, the plots, the report, the contact sheet, the summary."""
