"""Statistics as pure functions on arrays: no I/O, no SQL, no drawing."""
