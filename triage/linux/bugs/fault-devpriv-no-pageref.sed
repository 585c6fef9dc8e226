# mm/memory.c
# do_swap_page takes a device page without looking at the entry again
/softleaf_is_device_private(entry)) {$/,/get_page(vmf->page)/s/!pte_same(ptep_get(vmf->pte),$/!pte_same(vmf->orig_pte,/
