//! Functions that only bugs need, in files named after the module that they break.

mod anon_vma;
mod device_exclusive;
mod dmirror;
mod fork;
mod gup;
mod huge_memory;
mod migrate;
mod mprotect;
mod mremap;
mod notifier;
mod swap;
mod zap;
