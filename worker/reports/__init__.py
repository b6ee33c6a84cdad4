"""worker/reports"""
