"""What a good row is: functions over texts and rows, each drop with its reason and evidence."""
