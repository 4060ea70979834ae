# The desk in front of a hosted Supabase project. The five settings come from the host (README, Settings);
# nothing is kept in the container, so any number of them may run behind a sticky balancer.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8501
WORKDIR /desk
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt && useradd --create-home desk
COPY . .
USER desk
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/api/health', timeout=5)"]
CMD ["sh", "-c", "exec streamlit run app.py --server.address=0.0.0.0 --server.port=$PORT --server.headless=true"]
