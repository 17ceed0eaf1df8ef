// A target that makes the precompiled header needs one unit of its own.
