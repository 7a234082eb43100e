module document

go 1.23.0
