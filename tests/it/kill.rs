//! Killed after each request, the same command ends in the same world.
