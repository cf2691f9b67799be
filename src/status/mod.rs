//! Counters, the bounded log ring and health: what the status command, and later the LED and the web page, show.
