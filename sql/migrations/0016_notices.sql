-- What the reader of a document is to know of its text: what was lost, left out or guessed.
ALTER TABLE document ADD COLUMN notices jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(notices) = 'array');
COMMENT ON COLUMN document.notices IS
	'sentences about what of the file was lost, left out or guessed ("Page 2 of 3 is a picture without text."); empty until it has been read';
COMMENT ON COLUMN document.type IS 'what the extractor found it to be: pdf, docx, xlsx, pptx, odt, ods, odp, csv, html, txt, md';
COMMENT ON COLUMN chunk.mark IS
	'"page 3", "page 3 (ii)" with the printed number, "paragraph 12", "sheet Stock A1:D40", "slide 2 notes", "header"';
