//! Background work of the kernel that depends on time.

/// Turns proactive compaction off, if the kernel has it. kcompactd looks twice a second whether
/// memory is fragmented. If it is, kcompactd migrates pages in the middle of a program, so tasks
/// wait that do not wait in the model.
pub fn off() {
    let _ = std::fs::write("/proc/sys/vm/compaction_proactiveness", "0");
}
