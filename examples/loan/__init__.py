"""Is a loan approved? Mixed columns with names, types and missing values, on made-up people."""
