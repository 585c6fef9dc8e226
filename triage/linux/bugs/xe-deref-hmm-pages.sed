# lib/mmfuzz/access.c
# the driver marks a page dirty before it checks whether the page was invalidated
/^int mmfuzz_device_map/,/^}$/s/^	mutex_lock(.*$/	if (write)\n		folio_mark_dirty(page_folio(pfn_to_page(pfn)));\n&/
