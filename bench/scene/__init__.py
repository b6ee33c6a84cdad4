"""bench/scene"""
