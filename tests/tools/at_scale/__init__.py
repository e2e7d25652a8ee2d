"""The recipe for millions of rows, on real Ray: does each row have one answer, though a worker is killed?"""
