"""Is a message spam? Text in, a word out, on messages written for this example."""
