# vm-normal-page-special (c0c6ccd9828c): zap mistakes the zero page for a normal page (here: the
# small zero page).
# The process exits at the end of the program, which unmaps the zero page.
mmap p0 3 1 r
read p0 3
