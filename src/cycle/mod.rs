//! One cycle: pull, merge, push, agree. `Pair` holds both sides; what it can do is this list.
