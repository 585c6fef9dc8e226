static sigjmp_buf fault;
static void on_fault(int number) { siglongjmp(fault, -number); }
static long touch(int page, long word)
{
	int signal = sigsetjmp(fault, 1);
	return signal ? signal : word ? store(page, word) : load(page);
}
