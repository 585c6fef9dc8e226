/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two trampolines to which ftrace sends the entries of the functions that stop.c follows;
 * places.c names most of them. Both save the argument registers and tell stop.c. mmfuzz_enter then
 * goes on in the function. mmfuzz_enter_and_return calls the function, and tells stop.c of its
 * return as well; a function with arguments on the stack cannot be called so.
 *
 * On entry, (%rsp) is where the function goes on, and 8(%rsp) where it returns to.
 */
#include <linux/linkage.h>

.macro TELL_OF_ENTRY
	pushq %rbp
	movq %rsp, %rbp
	pushq %r9
	pushq %r8
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	movq 8(%rbp), %rdi
	movq %rsp, %rsi
	movq 16(%rbp), %rdx
	call mmfuzz_entered
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %r8
	popq %r9
.endm

SYM_FUNC_START(mmfuzz_enter)
	TELL_OF_ENTRY
	testb %al, %al
	jnz 1f
	popq %rbp
	RET
1:	/* the function is not to run: it returns NULL */
	popq %rbp
	addq $8, %rsp
	xorl %eax, %eax
	RET
SYM_FUNC_END(mmfuzz_enter)

SYM_FUNC_START(mmfuzz_enter_and_return)
	TELL_OF_ENTRY
	call *8(%rbp)
	pushq %rax
	pushq %rdx
	movq 8(%rbp), %rdi
	call mmfuzz_returned
	popq %rdx
	popq %rax
	popq %rbp
	addq $8, %rsp
	RET
SYM_FUNC_END(mmfuzz_enter_and_return)
