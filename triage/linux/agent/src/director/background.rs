//! Background work of the kernel that depends on time.

/// Turns two things off, if the kernel has them:
/// - Proactive compaction. kcompactd looks twice a second whether memory is fragmented. If it is,
///   kcompactd migrates pages in the middle of a program, so tasks wait that do not wait in the
///   model.
/// - The scheduler's own timer (HRTICK, on by default in newer kernels). The kernel sets it at each
///   switch of tasks, and a timer costs much under emulation.
pub fn off() {
    let _ = std::fs::write("/proc/sys/vm/compaction_proactiveness", "0");
    let _ = std::fs::write("/sys/kernel/debug/sched/features", "NO_HRTICK");
}
