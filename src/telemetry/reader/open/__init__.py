"""Open records: unwrap the data key, decrypt, check every cleartext byte."""
