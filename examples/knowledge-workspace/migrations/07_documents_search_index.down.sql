-- Search keeps working without the index, only slower.

DROP INDEX documents_search_vector_idx;
