"""Three species of iris, told apart by four lengths: the field's hello world."""
