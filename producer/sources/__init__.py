"""producer/sources"""
