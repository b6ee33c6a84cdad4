"""dashboard/cameras"""
