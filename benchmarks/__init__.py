"""Speed and accuracy, measured beside a reference. Not in the wheel; see README.md here."""
