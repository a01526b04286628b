"""CLOUDWATCH: metric data, metric math and alarms."""
