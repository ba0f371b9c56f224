//! Tables of what happens next.
