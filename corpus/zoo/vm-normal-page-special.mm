# vm-normal-page-special (c0c6ccd9828c): zap takes the zero page for a normal page.
mmap p0 3 1 r
read p0 3
