//! Seeded random days of a fleet.
