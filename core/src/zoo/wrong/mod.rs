//! What only bugs do, by the module that it breaks.

mod anon_vma;
mod device_exclusive;
mod dmirror;
mod fork;
mod gup;
mod migrate;
mod mprotect;
mod mremap;
mod notifier;
mod swap;
mod zap;
