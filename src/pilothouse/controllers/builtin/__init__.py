"""One controller a file, found by discovery; none imports another."""
