"""mien/inputs"""
