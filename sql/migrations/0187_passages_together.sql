-- The passages of several documents are sorted into the index of their words together
-- (passages_sort()); this is how much may wait meanwhile, in kB: those of some 800 pages.
ALTER INDEX chunk_keys SET (gin_pending_list_limit = 8192);
