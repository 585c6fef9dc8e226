//! Reads and writes that may fault: a signal becomes a result.

use std::arch::global_asm;

// Each access is one instruction at a known address. If it faults, the handler of SIGSEGV and
// SIGBUS continues at `mmfuzz_faulted`, with the signal in rax.
global_asm!(
    ".global mmfuzz_read",
    "mmfuzz_read:",
    "mov rax, [rdi]",
    "mov [rsi], rax",
    "xor eax, eax",
    "ret",
    ".global mmfuzz_write",
    "mmfuzz_write:",
    "mov [rdi], rsi",
    "xor eax, eax",
    "ret",
    ".global mmfuzz_faulted",
    "mmfuzz_faulted:",
    "ret",
);

unsafe extern "C" {
    fn mmfuzz_read(addr: u64, word: *mut u64) -> i64;
    fn mmfuzz_write(addr: u64, word: u64) -> i64;
    fn mmfuzz_faulted();
}

/// Reads a word, or returns the signal that the read raised.
pub fn read(addr: u64) -> Result<u64, i32> {
    let mut word = 0;
    // SAFETY: a fault at `addr` is handled; `word` is ours.
    match unsafe { mmfuzz_read(addr, &raw mut word) } {
        0 => Ok(word),
        signal => Err(signal as i32),
    }
}

/// Writes a word, or returns the signal that the write raised.
pub fn write(addr: u64, word: u64) -> Result<(), i32> {
    // SAFETY: a fault at `addr` is handled; nothing of ours lies in the window of a program.
    match unsafe { mmfuzz_write(addr, word) } {
        0 => Ok(()),
        signal => Err(signal as i32),
    }
}

unsafe extern "C" fn on_fault(signal: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext to a handler with SA_SIGINFO.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let at = registers[libc::REG_RIP as usize];
    if at == mmfuzz_read as *const () as i64 || at == mmfuzz_write as *const () as i64 {
        registers[libc::REG_RAX as usize] = i64::from(signal);
        registers[libc::REG_RIP as usize] = mmfuzz_faulted as *const () as i64;
    } else {
        // SAFETY: ends the process.
        unsafe { libc::_exit(128 + signal) };
    }
}

/// Installs the handler for this process and its future children.
pub fn handle_faults() {
    // SAFETY: an all-zero sigaction is valid, and the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}
