static void on_fault(int number) { dprintf(1, "BROKEN: signal %d\n", number), stop(1); }
