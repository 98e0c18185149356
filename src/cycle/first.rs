//! The first sync of a side that is missing: the other side's database goes over whole.
