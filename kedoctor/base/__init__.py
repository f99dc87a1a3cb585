"""What everything stands on: records, errors, texts in two languages, safe files; it imports nothing else of kedoctor."""
