//! Everything that CDOC2 needs around it, on one machine and for tests.
